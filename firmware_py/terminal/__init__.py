"""The running terminal: loop, lanes, supervision, control socket."""
