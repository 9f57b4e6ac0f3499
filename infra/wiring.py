"""The only place that joins ports and adapters: what runs in each process of Pulsera."""
