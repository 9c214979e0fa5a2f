"""Environment: the variables ``DXF_*``, and what they say of a registry. No command is known here."""
