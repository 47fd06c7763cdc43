"""Seeds of the simulator: those that once found something, for ever; and a thousand others."""
