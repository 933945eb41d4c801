"""Methods that edit weights without locating units: in closed form, or by fine-tuning an adapter."""
