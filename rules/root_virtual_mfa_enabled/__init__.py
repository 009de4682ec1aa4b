"""ROOT_VIRTUAL_MFA_ENABLED: does the root user of an AWS account have a virtual MFA device?"""
