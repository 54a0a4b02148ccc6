"""Data standards: identifiers, document numbers, numerals, dates, money, code lists, working days.

Pure: standard library and the data files of this package, no I/O beyond reading those. Nothing here corrects silently:
a parser returns what the text says and remarks on what is doubtful about it, or says that it cannot tell.
"""
