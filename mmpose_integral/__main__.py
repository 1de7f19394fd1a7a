"""`python -m mmpose_integral` does the same as the script `mmpose-integral`."""
import sys

from mmpose_integral.cli.main import main

if __name__ == '__main__':
    sys.exit(main())
