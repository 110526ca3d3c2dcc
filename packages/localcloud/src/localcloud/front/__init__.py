"""The AWS endpoint: HTTP in, one choke point, HTTP out.

``server`` listens, ``dispatch`` decides who answers, ``protocol`` and ``cbor`` speak AWS's wire formats, ``moto_calls``
asks moto, ``identity`` and ``policies`` know who may do what, ``call_log`` remembers every call, ``faults`` breaks some
of them on purpose. No AWS service lives here: those are in ``localcloud.services``.
"""
