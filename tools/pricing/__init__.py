"""Server prices of many clouds as dated evidence."""
