"""The gateway to AWS: sessions, paging, retries, errors in plain words, and the aws-CLI rendering of each call.

Nothing here knows what the stack is healthy or sick of. botocore is imported when the first client is made, not before.
"""
