"""Reading an agency's own table: bytes in, candidate cases and problems out. No database, no transport.

`tables` opens files and yields rows, `layouts` knows the columns of the known layouts, `headers` finds and matches them,
`mapping` is what a person confirms, `rows` turns a row into a case or into problems with a remedy, `rejects` writes the rows
kept aside as a file, `suspicions` reports probable repeats and splits.
"""
