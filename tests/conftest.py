"""What all tests share: the plugin that runs tests on virtual time."""

pytest_plugins = ["tradecore.testing.plugin"]
