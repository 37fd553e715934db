"""Providers of volumes: directories, ZFS, and AWS' EBS and EFS, behind one port."""
