"""The browser demo. It needs gradio and plotly."""
