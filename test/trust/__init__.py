"""The tests of promises that many modules keep together: whole ways of data, random faults, costs, memory."""
