"""What every Database has to pass, a module a noun.

Subclass a suite, and give the fixture `database`: an empty one for each test, whose clock is
`clock`, a FixedClock.
"""
