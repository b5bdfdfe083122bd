"""Tables beside the thesis's figures, and plots."""
