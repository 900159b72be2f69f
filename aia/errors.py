"""The error that users are meant to read: bad input or a bad setting."""


class InputError(Exception):
    """Something outside the program is wrong; the message says where, what, expected, likely cause.

    The command line prints the message alone and exits with status 2.

    >>> raise InputError("videos/kitchen.mp4: no video stream; is it a sound file?")
    Traceback (most recent call last):
    aia.errors.InputError: videos/kitchen.mp4: no video stream; is it a sound file?
    """
