"""What serves requests: the application, its dispatch, and the commands that steer it."""
