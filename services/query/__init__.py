"""Query: finds documents in the registry and hands out their content from the elements. Changes nothing."""
