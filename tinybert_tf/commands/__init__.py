"""The command line, a file a command; `command_line` has the table and starts them."""
