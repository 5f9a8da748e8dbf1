"""The words that every process speaks. Pure: nothing here reads a clock, a disk or a socket, awaits, or logs."""
