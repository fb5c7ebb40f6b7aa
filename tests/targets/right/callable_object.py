"""An object that is called like a function; also as file.py:forward."""

from plain import capabilities, run


class Network:
    """Takes its arguments when it is built, unlike a class that is a target."""

    def __init__(self, run, capabilities):
        self.run = run
        self.capabilities = capabilities

    def __call__(self, case):
        return self.run(case)


forward = Network(run, capabilities)
