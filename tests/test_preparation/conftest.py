"""The tree of the Human3.6M tests."""
import pytest


@pytest.fixture
def tree(tmp_path):
    """Seven subjects, two cameras, one video of six frames each, and by image name the joints in mm."""
    from h36m_tree import make_tree
    return tmp_path / 'h36m', make_tree(tmp_path / 'h36m')
