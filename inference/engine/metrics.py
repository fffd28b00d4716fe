"""What Prometheus sees of serving; ``/metrics`` shows it."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

BUCKETS = (0.005, 0.01, 0.02, 0.035, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0)  # seconds; the last is open
LATENCY = Histogram(
    "crowdtune_predict_seconds",
    "Time to answer a predict request, by project and version.",
    ["project", "version"],
    buckets=BUCKETS,
)
IMAGES = Counter("crowdtune_predicted_images_total", "Images answered, by project and version.", ["project", "version"])
REFUSED = Gauge(
    "crowdtune_predict_refused",
    "Requests refused since the start because too much was waiting.",
    multiprocess_mode="sum",
)
EMBEDDED = Counter(
    "crowdtune_embedded_images_total",
    "Images that went through a network; the rest were answered from what it had made of them before.",
)
QUEUE = Gauge("crowdtune_predict_queue_images", "Images admitted and not yet answered.", multiprocess_mode="livesum")
LOADED = Counter("crowdtune_networks_loaded_total", "Trunks loaded, by the runtime that computes them.", ["platform"])
MEMORY = Gauge(
    "crowdtune_model_cache_bytes",
    "Bytes of trunks and versions in memory, as their files count.",
    multiprocess_mode="livesum",
)
