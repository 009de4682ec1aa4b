"""The rule and the function that AWS Lambda calls.

Rule Identifier:
  ROOT_VIRTUAL_MFA_ENABLED

Rule Name:
  root-virtual-mfa-enabled

Description:
  Checks that the root user of an AWS account has a virtual MFA device (control AWS_IAM_43).

Rationale:
  The root user can do everything in its account, and no policy of the account can restrict it: a password alone must not
  be enough to sign in as root.  The owner of a virtual device can keep its means of recovery, and some auditors ask for a
  virtual device by name.

Indicative Severity:
  High

Trigger:
  Periodic

Reports on:
  AWS::::Account

Rule Parameters:
  minimumVirtualMfaDevices
    (Optional) How many virtual MFA devices the root user must have: 1 to 8. Default: 1
  nonVirtualMfa
    (Optional) The verdict if root has MFA but no virtual device: NON_COMPLIANT or COMPLIANT. Default: NON_COMPLIANT
  noRootCredentials
    (Optional) The verdict if root has no password, no access key and no signing certificate: COMPLIANT, NOT_APPLICABLE or
    NON_COMPLIANT. Default: COMPLIANT
  ExecutionRoleName
    (Optional) The name of the role to assume in the evaluated account. Default: none; the function evaluates its own
    account with its own role

Scenarios:
  Scenario: 1
     Given: the account is in AWS GovCloud (US) or in the China Regions
      Then: return NOT_APPLICABLE without calling IAM
  Scenario: 2
     Given: root's MFA is on
       And: at least minimumVirtualMfaDevices virtual MFA devices are assigned to root
      Then: return COMPLIANT
  Scenario: 3
     Given: scenario 2 does not hold
       And: root is known to have neither a password nor access keys nor signing certificates; a password recovery that is
            allowed counts as a password
      Then: return the verdict of noRootCredentials
  Scenario: 4
     Given: root's MFA is on
       And: virtual MFA devices are assigned to root, but fewer than minimumVirtualMfaDevices
      Then: return NON_COMPLIANT with both numbers
  Scenario: 5
     Given: root's MFA is on
       And: no virtual MFA device is assigned to root
      Then: return the verdict of nonVirtualMfa
  Scenario: 6
     Given: root's MFA is off
      Then: return NON_COMPLIANT
  Scenario: 7
     Given: a rule parameter has an unknown name, or a value that is not allowed
      Then: fail, naming the parameter, its value and what is allowed
  Scenario: 8
     Given: the event is not a scheduled notification of AWS Config about the account of its rule, or its time is in the future
      Then: fail, naming the field
  Scenario: 9
     Given: the account is not the function's own
       And: there is no ExecutionRoleName
      Then: fail, saying that evaluating another account needs ExecutionRoleName
  Scenario: 10
     Given: IAM, STS or AWS Config does not answer, or its answer is broken, or AWS Config returns the evaluation as failed
      Then: fail, saying what happened, in which account, and what to do
  Scenario: 11
     Given: one of scenarios 7 to 10 holds
       And: the function may be invoked for any account, and AWS Organizations says that this one is not in the organization
      Then: refuse the event: write one log line, return no evaluation and do not fail
"""

from periodic_rule.handler import Handler
from periodic_rule.rule import PeriodicRule
from root_virtual_mfa_enabled import facts
from root_virtual_mfa_enabled.decision import decide
from root_virtual_mfa_enabled.parameters import PARAMETERS

RULE = PeriodicRule(
    identifier="ROOT_VIRTUAL_MFA_ENABLED",
    name="root-virtual-mfa-enabled",
    product="root-virtual-mfa",
    parameters=PARAMETERS,
    read_facts=facts.read,
    decide=decide,
    log_fields=facts.log_fields,
)

lambda_handler = Handler(RULE)
