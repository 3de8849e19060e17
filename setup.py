"""Build entry point; all metadata is in pyproject.toml.

Only the configurations need code: their folder at the top is part of the package `mrcnn`, and a
search for packages is not combined with a list of them in pyproject.toml.
"""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["edge_agreement*", "mrcnn*"]), "mrcnn.configs"],
    package_dir={"mrcnn.configs": "configs"},
)
