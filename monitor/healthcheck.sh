#!/bin/bash
# SPDX-License-Identifier: MIT
#
# healthcheck - whether ackd serves: /-/ready answers 200
#
# bash, because it can open a connection, and the image has no HTTP client.
set -eu

exec 3<>"/dev/tcp/${1:-127.0.0.1}/${2:-8889}"
printf 'GET /-/ready HTTP/1.0\r\n\r\n' >&3
read -r _ status _ <&3
[ "$status" = 200 ]
