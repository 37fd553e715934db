"""AWS: EC2 Auto Scaling groups, and notices of EC2 by an SQS queue."""
