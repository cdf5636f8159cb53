"""The outside, behind interfaces: readers, printers, lights and sounders."""
