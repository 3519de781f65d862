"""Services by name and version (`python-api.md` section 2.5)."""

from __future__ import annotations

import pytest

from aster import rpc, service
from aster.service import ServiceRegistry, get_default_registry, set_default_registry
from support import Num


def numbers(number):
    @service("Numbers", version=number)
    class Numbers:
        @rpc(name="twice")
        async def double(self, value: Num) -> Num:
            return value

    return Numbers


def test_registry():
    registry = ServiceRegistry()
    classes = [numbers(2), numbers(10), numbers(3)]
    infos = [registry.register(classes[0]), registry.register(classes[1]()), registry.register(info(classes[2]))]
    assert infos == registry.get_all_services() == [info(one) for one in classes]
    assert registry.lookup("Numbers") is infos[1]
    assert registry.lookup("Numbers", 3) is infos[2]
    assert registry.lookup("Numbers", 4) is None
    assert registry.lookup("Other") is None
    assert registry.lookup_method("Numbers", "twice", 2) == (infos[0], infos[0].methods["twice"])
    assert registry.lookup_method("Numbers", "twice") == (infos[1], infos[1].methods["twice"])
    assert registry.lookup_method("Numbers", "double") is None
    assert registry.lookup_method("Other", "twice") is None
    with pytest.raises(ValueError, match="Service 'Numbers' v2 is already registered"):
        registry.register(numbers(2))
    for wrong in (int, 1, "Numbers", None):
        with pytest.raises(TypeError, match="is not @service-decorated"):
            registry.register(wrong)
    registry.clear()
    assert registry.get_all_services() == []
    assert registry.register(classes[0]) is infos[0]


def info(cls):
    return cls.__aster_service_info__


def test_the_default_registry():
    before = get_default_registry()
    assert get_default_registry() is before
    mine = ServiceRegistry()
    set_default_registry(mine)
    try:
        assert get_default_registry() is mine
    finally:
        set_default_registry(before)
