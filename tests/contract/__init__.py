"""What the embedded API server answers is what a real one answers: the same requests, compared.

A test is a script of raw HTTP requests (:mod:`tests.contract.exchange`). Each answer is brought into a form without
chance in it (:mod:`tests.contract.normal`) and compared with the answer of a real kube-apiserver, which is kept under
``recorded/``. Every test runs twice: against the embedded server, which proves that one true, and against a real one
where there is one, which proves the recording true. ``KUBEPRIMS_RECORD_CONTRACT=1`` writes the recordings anew, always
from the real one. :mod:`tests.contract.known` lists what stays different, and why.
"""
