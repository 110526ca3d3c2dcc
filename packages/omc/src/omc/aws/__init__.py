"""The gateway to AWS: sessions, paging, retries, errors in plain words, and the aws-CLI rendering of each call.

Nothing here judges whether the stack is healthy. botocore is imported when the first client is made, not before.
"""
