#!/bin/sh
# Run by PostgreSQL's image when its volume is new: the database, who owns its schemas, and who serves.
set -eu
psql --set=ON_ERROR_STOP=1 --username=postgres \
    --set=owner="$(cat "${SECRETS:-/run/secrets}/database_owner")" \
    --set=service="$(cat "${SECRETS:-/run/secrets}/database_service")" <<'SQL'
CREATE ROLE liangfa_owner LOGIN PASSWORD :'owner';
CREATE ROLE liangfa LOGIN PASSWORD :'service';
CREATE DATABASE liangfa OWNER liangfa_owner TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8';
SQL
