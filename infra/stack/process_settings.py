"""What every process of a cluster inherits, on one machine and on many."""


def process_settings() -> dict[str, str]:
    """Environment variables of Ray and of the libraries in its workers."""
    return {
        # The same as everything else: what asks and answers is not to be worth less than what watches it.
        "RAY_worker_niceness": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
        "FEAST_USAGE": "False",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        # One thread a worker: replicas and ranks are the unit of parallelism, and theirs add up to the cores.
        "OMP_NUM_THREADS": "1",
        # Columns of millions of rows come and go. By default each is handed back to the kernel and asked for again page
        # by page, which is a third of the time of preprocessing; what is kept is given back after ten seconds.
        "MALLOC_MMAP_THRESHOLD_": str(64 * 2**20),
        "MALLOC_TRIM_THRESHOLD_": str(256 * 2**20),
        "_RJEM_MALLOC_CONF": "dirty_decay_ms:10000,muzzy_decay_ms:10000",
        # Threads that wait for their turn by spinning take cores from everything else on the machine: a training beside
        # one busy process took five times as long.
        "OMP_WAIT_POLICY": "passive",
    }
