from .model_alias import ModelAlias, find_alias, load_aliases, register_alias, user_folder

__all__ = ['ModelAlias', 'find_alias', 'load_aliases', 'register_alias', 'user_folder']
