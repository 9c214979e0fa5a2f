"""The commands, group by group. ``command_table`` puts them together."""
