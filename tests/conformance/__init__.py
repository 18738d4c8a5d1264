"""
Every line of the strict HTTP rules, sent to a running relay.

The tables say what is sent and what must come of it: requests.py (workload to upstream), responses.py (upstream to
workload), corpus.py (other people's files). What needs a conversation rather than one message stands in
test_connections.py and test_timeouts.py. The machinery: wire.py reads and writes bytes, upstream.py records and
answers, workload.py starts the program under test and fetches raw streams out of it by way of agent.py, checks.py holds
what reached the upstream against what had to.

    CREDFD=build/credfd /usr/bin/python3 -m pytest tests/conformance
"""
