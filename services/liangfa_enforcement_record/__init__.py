"""enforcement_record (执法记录): administrative cases from the first report to the last payment.

Responsible for cases, parties, enforcement steps, evidence, decisions, imports of tables, and the screening of every
case for suspected crimes. Refuses to know what happens to a case after its transfer: that is case_transfer's.
"""
