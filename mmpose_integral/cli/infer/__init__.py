"""The command `mmpose-integral infer`."""
