"""The one error that a user is meant to read: bad input or a bad setting."""


class InputError(Exception):
    """Something outside the program is wrong; the message says where, what, expected, likely cause.

    The command line prints the message alone and exits with status 2.

    >>> raise InputError("films/kitchen.mp4: not a film (no video stream); is it a sound file?")
    Traceback (most recent call last):
    aia.errors.InputError: films/kitchen.mp4: not a film (no video stream); is it a sound file?
    """
