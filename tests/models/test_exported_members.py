import importlib
import pkgutil

import pytest

import models

MODULES = [m.name for m in pkgutil.walk_packages(models.__path__, "models.")]


@pytest.mark.parametrize("name", MODULES)
def test_all_is_what_is_defined_for_others(name: str) -> None:
    module = importlib.import_module(name)
    assert sorted(set(module.__all__)) == sorted(module.__all__)
    own = {
        member
        for member, thing in vars(module).items()
        if not member.startswith("_") and getattr(thing, "__module__", None) == name
    }
    assert own <= set(module.__all__)
    assert all(hasattr(module, member) for member in module.__all__)
