"""The flag that rewrites the golden dialogues."""


def pytest_addoption(parser):
    parser.addoption("--rewrite", action="store_true", help="write what follows today")
