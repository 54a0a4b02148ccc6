"""joint_meeting (联席会议): consultations between units, and meetings that end in dated obligations.

It owns questions, conversations, formal answers, meetings and their tasks. It decides nothing about a case: an answer is
advice, and what a resolution asks for is done where the case is kept.
"""
