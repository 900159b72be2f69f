"""Put the published settings into the wheel: the package needs them outside the repository, too."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithSettings(build_py):
    """Copy config.yaml and config/*.yaml beside the modules that read them."""

    def run(self) -> None:
        """Build, then copy."""
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib, "aia", "config", "packaged")
        for source in [Path("config.yaml"), *Path("config").glob("*.yaml")]:
            (target / source).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target / source)


setup(cmdclass={"build_py": BuildWithSettings})
