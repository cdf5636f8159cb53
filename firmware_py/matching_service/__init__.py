"""The shared matching service: imported by `fikatap matching` only, with the libraries of the extra `service`."""
