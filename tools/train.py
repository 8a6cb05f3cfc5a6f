#!/usr/bin/env python3
"""Train a network: by a recipe, or by options, then half size first and full size last. See docs/training.md."""

import json
import sys
from pathlib import Path

try:
    from lemore_torch.checkpoint import CheckpointError
    from lemore_torch.fields import FieldError as ConfigError
    from lemore_torch.data import DataError
    from lemore_torch.training.options import arguments
    from lemore_torch.training.trainer import Trainer, TrainError
except ImportError as error:
    sys.exit(f"train.py: {error}; install it (apt-get install python3-torch python3-pil) and run with /usr/bin/python3")


def main(argv=None):
    try:
        args = arguments(__doc__, argv)
        last = Path(args.out) / "last.pth"
        if last.exists() and not args.resume:
            raise TrainError(f"{last} exists: --resume goes on with it, another --out starts anew")
        resumes = args.resume and last.exists()
        trainer = Trainer(args, resumes)
        if resumes:
            trainer.restore(last)
        if trainer.has_work():
            trainer.run()
    except (TrainError, CheckpointError, ConfigError, DataError, OSError) as error:
        print(f"train.py: {error}", file=sys.stderr)
        return 1
    print(json.dumps(trainer.result()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
