"""jnd-targets."""

from __future__ import annotations

import argparse

from jaxlic.commands.files import UsageError, progress


def targets(args: argparse.Namespace) -> int:
    """Writes images one just-noticeable difference from those of a folder."""
    from jaxlic import images

    if not args.folder.is_dir():
        raise UsageError(f"{args.folder}: no such folder")
    files = images.find(args.folder)
    if not files:
        raise UsageError(f"{args.folder}: holds no image")
    names = [file.relative_to(args.folder).with_suffix("") for file in files]
    for name, file in zip(names, files, strict=True):
        if names.count(name) > 1:
            raise UsageError(f"{file}: another image has the same name but for its suffix")
    if args.output.resolve() == args.folder.resolve():
        raise UsageError(f"{args.output}: targets need a folder of their own")
    if args.output.is_file():
        raise UsageError(f"{args.output}: is a file")
    from jaxlic import targets as making

    args.output.mkdir(parents=True, exist_ok=True)
    done = making.write_targets(
        args.folder, args.output, method=args.method, scale=args.scale, share=args.share
    )
    for file, note in progress(done, len(files), "making targets"):
        print(f"{file}  {note}")
    return 0
