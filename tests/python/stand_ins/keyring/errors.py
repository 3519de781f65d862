"""Errors of the library, by their names."""


class KeyringError(Exception):
    pass


class NoKeyringError(KeyringError, RuntimeError):
    pass


class KeyringLocked(KeyringError):
    pass


class PasswordSetError(KeyringError):
    pass


class PasswordDeleteError(KeyringError):
    pass
