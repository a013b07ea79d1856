# Makes each database and its login, which owns it and is alone in being let in, and sets the passwords. Run again, it changes what has changed.
# The server is that of PGHOST, PGUSER and PGPASSWORD. A password not in the environment, as busdb_password, is read from its secret's file.
set -eu
export PGDATABASE=postgres PGPASSWORD="${PGPASSWORD:-$(cat /run/secrets/postgres-password)}"
until pg_isready --quiet; do sleep 1; done
for name in accountingdb busdb cartdb customersdb salesdb tododb usersdb warehousedb; do
  password=$(printenv "${name}_password" || cat "/run/secrets/$name-password")
  export password
  psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --set=name="$name" <<'SQL'
\getenv password password
SELECT format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE', :'name') WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'name') \gexec
ALTER ROLE :"name" PASSWORD :'password';
GRANT :"name" TO CURRENT_USER;
SELECT format('CREATE DATABASE %I OWNER %I', :'name', :'name') WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'name') \gexec
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
\connect :name
CREATE EXTENSION IF NOT EXISTS pg_trgm;
SQL
  echo "$name is there"
done
