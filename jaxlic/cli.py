"""The command line. Heavy imports wait until a command needs them, so that help is instant."""

from __future__ import annotations

import argparse
import pathlib
import sys
from collections.abc import Callable, Sequence

from jaxlic.commands import codec, evaluate, explain, rescale, targets
from jaxlic.commands.files import report


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command. 0: all done; 2: something about the input; 130: interrupted."""
    args = _parser().parse_args(argv)
    try:
        return args.run(args)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 0
    except (ValueError, OSError, ImportError, MemoryError) as error:
        return report(error)


def _parser() -> argparse.ArgumentParser:
    from jaxlic import __version__

    parser = argparse.ArgumentParser(
        prog="jaxlic",
        description="Learned image compression: photographs to small .jlic files and back, "
        "or to thumbnails that any viewer opens and that grow back.",
        epilog="`jaxlic COMMAND --help` explains a command and gives examples.",
    )
    parser.add_argument("--version", action="version", version=f"jaxlic {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, run: Callable, help_: str, examples: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(
            name,
            help=help_,
            description=help_[0].upper() + help_[1:] + ".",
            epilog="examples:\n" + examples,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        sub.set_defaults(run=run)
        return sub

    sub = command(
        "compress",
        codec.compress,
        "compress images to .jlic files",
        "  jaxlic compress photo.jpg                  writes photo.jlic\n"
        "  jaxlic compress photo.jpg -o small.jlic -q 20\n"
        "  jaxlic compress holiday/ -o small/         every image below holiday/",
    )
    sub.add_argument("inputs", nargs="+", type=pathlib.Path, help="image files or folders")
    _add_output(sub, "the .jlic file, or a folder if there are several inputs")
    sub.add_argument(
        "-q",
        "--quality",
        type=_quality,
        default=40.0,
        help="1 (smallest file) to 100 (best image), default 40",
    )
    sub.add_argument("--model", default="base", help="id or folder of a model, default base")
    sub.add_argument(
        "--coder", choices=("constriction", "tfc"), default="constriction", help="entropy coder"
    )

    sub = command(
        "decompress",
        codec.decompress,
        "turn .jlic files back into images",
        "  jaxlic decompress photo.jlic               writes photo.png\n"
        "  jaxlic decompress photo.jlic -o photo.tiff\n"
        "  jaxlic decompress small/ -o restored/",
    )
    sub.add_argument("inputs", nargs="+", type=pathlib.Path, help=".jlic files or folders")
    _add_output(sub, "the image file, or a folder if there are several inputs")
    sub.add_argument("--model", help="needed for files of models that are not shipped")

    sub = command(
        "downscale",
        rescale.downscale,
        "make JPEG or WebP thumbnails that any viewer opens and `upscale` turns back",
        "  jaxlic downscale photo.png                 writes photo.x2.jpg\n"
        "  jaxlic downscale photo.png -o small.webp --scale 4 --codec-quality 60\n"
        "  jaxlic downscale holiday/ -o small/ --format webp",
    )
    sub.add_argument("inputs", nargs="+", type=pathlib.Path, help="image files or folders")
    _add_output(sub, "the .jpg or .webp file, or a folder if there are several inputs")
    _add_scale(sub, "how many times smaller, default 2", default=2)
    sub.add_argument(
        "--format", choices=("jpeg", "webp"), help="default: what OUT is called, or jpeg"
    )
    sub.add_argument(
        "--codec-quality",
        type=_codec_quality,
        default=80,
        metavar="Q",
        help="the format's own quality, 30 to 95, default 80",
    )
    sub.add_argument("--model", help="id or folder, default sain-x2 or sain-x4")

    sub = command(
        "upscale",
        rescale.upscale,
        "turn thumbnails back into images; model and size are read from the file",
        "  jaxlic upscale photo.x2.jpg                writes photo.x2.png\n"
        "  jaxlic upscale small/ -o restored/\n"
        "  jaxlic upscale other.jpg --scale 2         a thumbnail that jaxlic did not make:\n"
        "                                             expect an ordinary enlargement",
    )
    sub.add_argument("inputs", nargs="+", type=pathlib.Path, help="thumbnails or folders")
    _add_output(sub, "the image file, or a folder if there are several inputs")
    _add_scale(sub, "needed for images that jaxlic did not make", default=None)
    sub.add_argument("--model", help="id or folder, default what the file says")
    sub.add_argument(
        "--latent",
        choices=("mean", "zero", "sample"),
        default="mean",
        help="what stands in for lost detail, default its mean",
    )
    sub.add_argument("--seed", type=_natural, default=0, help="of --latent sample, default 0")

    sub = command(
        "info",
        codec.info,
        "show what a .jlic file holds, without decoding it",
        "  jaxlic info photo.jlic\n  jaxlic info photo.jlic --json",
    )
    sub.add_argument("input", type=pathlib.Path, help="a .jlic file")
    sub.add_argument("--json", action="store_true", help="machine-readable")

    sub = command(
        "models",
        codec.models,
        "list the models that are shipped",
        "  jaxlic models\n  jaxlic models --json",
    )
    sub.add_argument("--json", action="store_true", help="machine-readable")

    sub = command(
        "eval",
        evaluate.evaluate,
        "measure rate and fidelity of models and standard codecs on a folder, with real files",
        "  jaxlic eval kodak/ --codecs jpeg,webp,avif\n"
        "  jaxlic eval kodak/ --models base,mymodel --qualities 20,50,80 --json out.json\n"
        "  jaxlic eval kodak/ --models sain-x2,bicubic-x2 --border 2\n"
        "  jaxlic eval kodak/ --models base,mymodel --anchor base --metrics ms-ssim,jnd\n"
        "  jaxlic eval kodak/ --plot curves.png",
    )
    sub.add_argument("folder", type=pathlib.Path, help="a folder of images")
    sub.add_argument(
        "--models",
        default="base",
        help="ids or folders, bicubic-x2 and bicubic-x4, by comma; '' for none",
    )
    sub.add_argument(
        "--codecs", default="jpeg,webp", help="of jpeg, webp, avif, jxl, by comma; '' for none"
    )
    sub.add_argument("--qualities", type=_qualities, help="for the models, by comma")
    sub.add_argument(
        "--border",
        type=_natural,
        default=0,
        help="pixels left out of Y-PSNR and Y-SSIM, default 0",
    )
    sub.add_argument(
        "--metrics",
        default="",
        help="more measures, by comma: ms-ssim, gmsd, st-lpips, jnd (share of pixels beyond "
        "their just-noticeable difference, and mean excess); with a file each, for networks "
        "that do not ship: st-lpips-vgg=FILE, lpips-alex=FILE, lpips-vgg=FILE, dists=FILE, "
        "fd-effnetlite0=FILE (python -m train.features --help)",
    )
    sub.add_argument(
        "--anchor", metavar="NAME", help="a model to give BD-rates against, beside the codecs"
    )
    sub.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write all records")
    sub.add_argument("--plot", type=pathlib.Path, metavar="FILE", help="write the curves (PNG)")

    sub = command(
        "explain",
        explain.explain,
        "draw where a codec with dynamic kernels looks in an image, and its receptive field",
        "  jaxlic explain photo.jpg -o offsets.png\n"
        "  jaxlic explain photo.jpg --at 120,80 --at 300,200 --quality 60",
    )
    sub.add_argument("input", type=pathlib.Path, help="an image file")
    _add_output(sub, "the .png file, default photo.offsets.png")
    sub.add_argument("--model", default="dkic", help="id or folder, default dkic")
    sub.add_argument("-q", "--quality", type=_quality, default=40.0, help="default 40")
    sub.add_argument(
        "--at",
        type=_point,
        action="append",
        metavar="X,Y",
        help="a pixel to look from, repeatable; default four with much detail",
    )

    sub = command(
        "jnd-targets",
        targets.targets,
        "make images one just-noticeable difference from your photographs, to train towards",
        "  jaxlic jnd-targets photos/ -o targets/\n"
        "  jaxlic jnd-targets photos/ -o targets/ --method webp --share 0.01\n"
        "  python -m train configs/base_jnd.py --workdir runs/jnd --data photos/ \\\n"
        "      --targets targets/ --set loss=pixel",
    )
    sub.add_argument("folder", type=pathlib.Path, help="a folder of images")
    sub.add_argument(
        "-o", "--output", type=pathlib.Path, metavar="OUT", required=True, help="a folder"
    )
    sub.add_argument(
        "--method",
        choices=("smooth", "jpeg", "webp", "avif"),
        default="smooth",
        help="take out what cannot be seen (the default), or the lowest quality of a codec "
        "that is hardly seen",
    )
    sub.add_argument(
        "--scale", type=_positive, default=1.0, help="how many thresholds, default 1"
    )
    sub.add_argument(
        "--share",
        type=_share,
        default=0.05,
        help="of a codec: the share of pixels that may exceed them, default 0.05",
    )
    return parser


def _add_output(sub: argparse.ArgumentParser, help_: str) -> None:
    sub.add_argument("-o", "--output", type=pathlib.Path, metavar="OUT", help=help_)
    sub.add_argument("-f", "--force", action="store_true", help="replace files that exist")


def _add_scale(sub: argparse.ArgumentParser, help_: str, default: int | None) -> None:
    sub.add_argument("--scale", type=int, choices=(2, 4), default=default, help=help_)


def _natural(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) >= 2**31:
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 on, got {text!r}")
    return int(text)


def _point(text: str) -> tuple[int, int]:
    x, comma, y = text.partition(",")
    if not comma:
        raise argparse.ArgumentTypeError(f"must be X,Y in pixels, got {text!r}")
    return _natural(x), _natural(y)


def _codec_quality(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 30 <= int(text) <= 95:
        raise argparse.ArgumentTypeError(f"quality must be 30 to 95, got {text!r}")
    return int(text)


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be positive, got {text!r}")
    return value


def _share(text: str) -> float:
    value = _positive(text)
    if value > 1:
        raise argparse.ArgumentTypeError(f"must be in (0, 1], got {text!r}")
    return value


def _quality(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 1 <= value <= 100:
        raise argparse.ArgumentTypeError(f"quality must be in [1, 100], got {text!r}")
    return value


def _qualities(text: str) -> list[float]:
    return [_quality(part) for part in text.split(",")]


if __name__ == "__main__":
    sys.exit(main())
