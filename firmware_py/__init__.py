"""The running programs: boot, configuration, wiring, loop, ledger, asking and deciding, command line."""
