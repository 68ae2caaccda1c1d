"""The web console: server-rendered, loopback, password from first start, Chinese and English, no download."""
