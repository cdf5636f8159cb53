"""Far sides that ship: simulated devices that the fakes, the demo and the tests talk to."""
