"""Capabilities: what the attributes of an admitted peer let it do (`trust.md` section 13). Core decides."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from aster import _aster
from aster.status import RpcError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aster.capabilities import CapabilityRequirement

__all__ = ["evaluate_capability"]

_NAME = "x"  # Of a service and its method that exist for the question only.


def evaluate_capability(requirement: CapabilityRequirement, attributes: Mapping[str, str]) -> bool:
    """Tell whether attributes fulfil a requirement. One without roles, or of an unknown kind, is never fulfilled."""
    if not requirement.roles:
        return False
    asked = _aster.Capabilities({_NAME: (None, {_NAME: json.dumps(requirement.describe())})})
    try:
        asked.check(_NAME, _NAME, dict(attributes))
    except RpcError:
        return False
    return True
